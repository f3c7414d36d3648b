"""What makes no sense is refused before any training: exit code 2, one message, no folder, no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner import menu
from tests.cli.conftest import Call

KEYS = (
    "dataset, preprocess, sampler, architecture, init, loss, regularizer, optimizer, schedule, stop, probe, "
    "recorder, "
    "lr, batch_size, epochs, start, seed, device, threads, precision, plugins, expect"
)
OPTIMIZERS = ", ".join(next(room for room in menu.rooms() if room.name == "optimizer").names)
ABOVE_0 = "a number in (0, 1e+30]"
FROM_1 = "a whole number in [1, 1e+15]"
IN_RANGE = "a value in that range"
A_NAME = "the name of a choice"
WRITTEN = "key=value, with a number, a word, 'a text', [a,list] or {a:mapping} as the value"
QUOTED = "put a text with other characters into quotes of its own: \"key='any text'\""

REFUSED = {
    "lr=nan": ("lr=nan", ABOVE_0, "give lr=... a finite number; the default is 0.001"),
    "lr=inf": ("lr=inf", ABOVE_0, "give lr=... a finite number; the default is 0.001"),
    "lr=-1": ("lr=-1", ABOVE_0, f"give lr=... {IN_RANGE}; the default is 0.001"),
    "lr=0": ("lr=0", ABOVE_0, f"give lr=... {IN_RANGE}; the default is 0.001"),
    "lr=True": ("lr=true", ABOVE_0, "give lr=... a number; the default is 0.001"),
    "lr=abc": ("lr=abc", ABOVE_0, "give lr=... a number; the default is 0.001"),
    "lr=1e400": ("lr=inf", ABOVE_0, "give lr=... a finite number; the default is 0.001"),
    "lr=1e39": ("lr=1e+39", ABOVE_0, f"give lr=... {IN_RANGE}; the default is 0.001"),
    "lr=": ("lr=''", ABOVE_0, "give lr=... a number; the default is 0.001"),
    "lr=null": ("lr=null", "a value", "give lr=...; `optrun --help` lists the choices"),
    "probe=[distance,layers,distance]": (
        "probe=[distance,layers,distance]",
        "each probe once; more than once there is distance",
        "give 'probe=[distance,layers]'",
    ),
    "recorder=[mlflow,tensorboard, mlflow,tensorboard]": (
        "recorder=[mlflow,tensorboard,mlflow,tensorboard]",
        "each recorder once; more than once there is mlflow, tensorboard",
        "give 'recorder=[mlflow,tensorboard]'",
    ),
    "lr=0.1,0.2": (
        "lr=0.1,0.2",
        "one value for one run",
        "optrun -m lr=0.1,0.2 trains one run for each; a list is lr=[0.1,0.2]",
    ),
    "lrr=0.1": ("lrr=0.1", f"the keys {KEYS}", "did you mean lr? `optrun --help` lists them"),
    "+lrr=0.1": ("lrr=0.1", f"the keys {KEYS}", "did you mean lr? `optrun --help` lists them"),
    "epochs=0": ("epochs=0", FROM_1, f"give epochs=... {IN_RANGE}"),
    "epochs=2.5": ("epochs=2.5", FROM_1, "give epochs=... a whole number"),
    "batch_size=0": ("batch_size=0", f"{FROM_1} or all", "give batch_size=... one of these"),
    "seed=-1": ("seed=-1", "a whole number in [0, inf)", f"give seed=... {IN_RANGE}"),
    "seed=1e3": ("seed=1000.0", "a whole number in [0, inf)", "give seed=... a whole number"),
    "threads=0": ("threads=0", "a whole number in [1, 1024] or auto", "give threads=... one of these"),
    "threads=100000000000": (
        "threads=100000000000",
        "a whole number in [1, 1024] or auto",
        "give threads=... one of these",
    ),
    "epochs=99999999999999999999": ("epochs=99999999999999999999", FROM_1, f"give epochs=... {IN_RANGE}"),
    "plugins=3": ("plugins=3", "a list of values, each a text", "give plugins=... a list in square brackets"),
    "expect=null": ("expect=null", "named values, each a number", "give expect=... a mapping {name: value}"),
    "expect=0": ("expect=0", "named values, each a number", "give expect=... a mapping {name: value}"),
    "optimizer=3": ("optimizer=3", A_NAME, "choose one from `optrun list optimizer`"),
    "optimizer=null": ("optimizer=null", A_NAME, "choose one from `optrun list optimizer`"),
    "optimizer.inner=[[1],[2]]": (
        "optimizer.inner=[[1],[2]]",
        A_NAME,
        "choose one from `optrun list optimizer`",
    ),
    "optimizer.inner=../../x": (
        "optimizer.inner=../../x",
        A_NAME,
        "choose one from `optrun list optimizer`",
    ),
    "optimizer=[1]": ("optimizer=[1]", A_NAME, "choose one from `optrun list optimizer`"),
    "architecture/activation=true": (
        "architecture/activation=true",
        A_NAME,
        "choose one from `optrun list architecture/activation`",
    ),
    "hydra=null": ("hydra=null", A_NAME, "see Hydra's documentation"),
    "lr='": ("lr='", WRITTEN, QUOTED),
    "lr=1=2": ("lr=1=2", WRITTEN, QUOTED),
    "hydra.run.dir=ünï": ("hydra.run.dir=ünï", WRITTEN, QUOTED),
    "=3": ("3", WRITTEN, QUOTED),
    f"lr={'9' * 5000}": (f"lr={'9' * 60}", WRITTEN, QUOTED),
    f"lr={'[' * 3000}": (f"lr={'[' * 60}", WRITTEN, QUOTED),
    "lr=\x1b[31m": (r"lr=\x1b[31m", WRITTEN, QUOTED),
    "precision=float16": (
        "precision=float16",
        "float64 | float32 | tf32 | bf16",
        "give precision=... one of these (did you mean float64?)",
    ),
    "optimizer=adamm": (
        "optimizer=adamm",
        OPTIMIZERS,
        "did you mean adam? `optrun list optimizer` describes them",
    ),
    "optimizer._target_=null": (
        "optimizer._target_=null",
        "the dotted path of a class, a kind of Optimizer",
        "choose one from `optrun list optimizer`, or give optimizer._target_=torch.optim.Adagrad, say",
    ),
    "optimizer.betas=[0.9,1.0]": (
        "optimizer.betas=[0.9,1.0]",
        "[a number in [0, 1), a number in [0, 1)]",
        f"give optimizer.betas=... {IN_RANGE}; the default is [0.9,0.999]",
    ),
    "optimizer.betas=[0.9]": (
        "optimizer.betas=[0.9]",
        "[a number in [0, 1), a number in [0, 1)]",
        "give optimizer.betas=... a list of 2 values; the default is [0.9,0.999]",
    ),
    "optimizer.epsilon=1": (
        "optimizer.epsilon=1",
        "the arguments of Adam: betas, eps, bias_correction, eps_placement",
        "did you mean eps? remove it or use one of these",
    ),
    "device=tpu": ("device=tpu", "auto, cpu on this machine", "give device=auto"),
    "device=cuda": ("device=cuda", "auto, cpu on this machine", "give device=auto"),
    "architecture.hidden=[0]": (
        "architecture.hidden=[0]",
        f"a list of values, each {FROM_1}",
        f"give architecture.hidden=... {IN_RANGE}; the default is [128,128]",
    ),
    "architecture.activation=rellu": (
        "architecture.activation=rellu",
        "abs | elu | gelu | identity | leaky_relu | maxout | relu | sigmoid | sign | tanh",
        "give architecture.activation=... one of these (did you mean relu?)",
    ),
    "stop.rules.early_stopping.patience=0": (
        "stop.rules.early_stopping.patience=0",
        FROM_1,
        f"give stop.rules.early_stopping.patience=... {IN_RANGE}; the default is 10",
    ),
    "dataset=csv": ("dataset.path=???", "the name of a CSV file", "give dataset.path=FILE"),
    "loss=mse": (
        "loss=mse",
        "targets that are numbers; the targets of this data set are 10 classes",
        "choose loss=cross_entropy, give loss.one_hot=true, or choose a data set with numbers",
    ),
    "dataset=diabetes": (
        "loss=cross_entropy",
        "targets in classes; the targets of this data set are numbers",
        "choose loss=mse, or a data set with classes",
    ),
    "loss=zero_one": (
        "loss=zero_one",
        "a loss with a gradient; that of the share of mistakes is 0 almost everywhere",
        "choose loss=cross_entropy, and read the share of mistakes as 1 - accuracy",
    ),
    "loss=bce": (
        "loss=bce",
        "targets in two classes; the targets of this data set are 10 classes",
        "choose loss=cross_entropy, or a data set with two classes",
    ),
    "loss.eps_deck=0.1": (
        "loss.eps_deck=0.1",
        "below 1/m = 0.1 for m = 10 classes, where the right class gets more than a wrong one",
        "give a smaller one",
    ),
    "regularizer=l22": (
        "regularizer=l22",
        "double_soft_orthogonal, l1, l2, none, soft_orthogonal, spectral_orthogonal, sum_of",
        "did you mean l2? `optrun list regularizer` describes them",
    ),
    "+output=softmax": ("output=softmax", f"the keys {KEYS}", "`optrun --help` lists them"),
    "expect.val_acc=0.9": (
        "expect.val_acc=0.9",
        "one of val_loss, val_accuracy, test_loss, test_accuracy",
        "did you mean val_accuracy? name one of these",
    ),
    "lr=${foo}": ("lr", "a value, or ${key} of a key that exists", "Interpolation key 'foo' not found"),
    "rezume": (
        "rezume",
        "key=value, or one of list, schedule, gradcheck, lr_range, tune, resume, plot, doctor, report, "
        "landscape, lectures, selftest, help",
        "did you mean resume? `optrun --help` shows examples",
    ),
}
HIDDEN_FROM = [
    "optimizer._target_=os.system",
    "optimizer._target_=torch.load",
    "optimizer._target_=builtins.open",
    "optimizer._target_=torch.hub.load",
    "optimizer._target_=runner.cli.main",
    "optimizer._target_=runner.optimizer.base.torch",
    "optimizer._target_=runner.optimizer.base.Optimizer",
    "optimizer._target_=torch.optim.lr_scheduler.StepLR",
    "optimizer._target_=torch.optim.sgd._use_grad_for_differentiable",
    "dataset._target_=runner.optimizer.adam.Adam",
    "architecture._target_=torch.nn.Linear",
    "stop.rules.epochs._target_=os.system",
]


@pytest.mark.parametrize("argument", REFUSED)
def test_a_refusal_says_what_was_given_what_is_allowed_and_what_to_do(
    argument: str, call: Call, tmp_path: Path
) -> None:
    if argument.startswith("device=cuda"):
        torch = pytest.importorskip("torch")
        if torch.cuda.is_available():
            pytest.skip("this machine has a GPU, so device=cuda is allowed")
    given, allowed, do = REFUSED[argument]
    answer = call(argument)
    assert answer.err == f"optrun: {given} is refused\n  allowed: {allowed}\n  do this: {do}\n"
    assert (answer.code, answer.out) == (2, "")
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("argument", HIDDEN_FROM)
def test_a_yaml_cannot_reach_a_class_outside_the_allow_list(argument: str, call: Call, tmp_path: Path) -> None:
    answer = call(argument)
    key, _, target = argument.partition("=")
    assert answer.err.startswith(f"optrun: {key}={target} is refused\n  allowed: a class ")
    assert (answer.code, answer.out) == (2, "")
    assert not (tmp_path / "outputs").exists()


def test_a_module_outside_the_allow_list_is_not_even_imported(call: Call, tmp_path: Path) -> None:
    (tmp_path / "canary.py").write_text("raise SystemExit('imported')\n")
    assert call("optimizer._target_=canary.Optimizer").code == 2


def test_plugins_can_only_be_named_on_the_command_line(call: Call, tmp_path: Path) -> None:
    (tmp_path / "canary.py").write_text("raise SystemExit('imported')\n")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "mine.yaml").write_text("# @package _global_\nplugins: [canary]\n")
    answer = call("--config-dir", "conf", "+mine@_global_=mine", "optimizer._target_=canary.Optimizer")
    assert answer.code == 2
    assert "imported" not in answer.err


def test_lr_and_optimizer_lr_are_the_same_number_and_may_not_both_be_given(call: Call) -> None:
    answer = call("lr=0.1", "optimizer.lr=0.2")
    assert answer.err == (
        "optrun: optimizer.lr=... is refused\n"
        "  allowed: one of lr and optimizer.lr, which are the same number\n"
        "  do this: give lr=... alone\n"
    )


def test_an_integer_beta_is_a_number(call: Call) -> None:
    answer = call("optimizer.betas=[0,0.999]", "epochs=1", "architecture.hidden=[4]")
    assert answer.code == 0, answer.err


def test_an_unknown_config_dir_is_refused(call: Call) -> None:
    assert call("--config-dir", "nowhere", "optimizer=mine").err.startswith("optrun: --config-dir=nowhere is refused")


GRIDS = {
    "lr=glob(*)": ("lr=glob(*)", "one value at least", "give lr=A,B or leave it out"),
    "seed=range(1000000000)": (
        "seed=range(1000000000)",
        "a sweep of at most 1,000,000 runs",
        "give fewer values; a sweep can be extended with --extend",
    ),
    "lr=range(0,1,0)": ("lr=range(0,1,0)", "a list of values", "give lr=A,B (range() arg 3 must not be zero)"),
    "optimizer=adam,3": ("optimizer=adam,3", A_NAME, "choose one from `optrun list optimizer`"),
}


@pytest.mark.parametrize("axis", GRIDS)
def test_an_axis_that_makes_no_grid_is_refused(axis: str, call: Call, tmp_path: Path) -> None:
    given, allowed, do = GRIDS[axis]
    answer = call("-m", axis)
    assert answer.err == f"optrun: {given} is refused\n  allowed: {allowed}\n  do this: {do}\n"
    assert (answer.code, answer.out) == (2, "")
    assert not (tmp_path / "outputs").exists()


def test_an_axis_that_is_named_twice_is_refused(call: Call) -> None:
    answer = call("-m", "lr=1,2", "lr=3,4")
    text = "optrun: lr=3,4 is refused\n  allowed: every axis once\n  do this: give all values at once: lr=A,B\n"
    assert (answer.code, answer.err) == (2, text)


def test_the_folder_one_is_in_does_not_become_a_run_folder(call: Call, tmp_path: Path) -> None:
    answer = call("hydra.run.dir=.")
    assert answer.err == (
        f"optrun: hydra.run.dir={tmp_path} is refused\n"
        "  allowed: a new folder; this is the one you are in\n"
        "  do this: give hydra.run.dir=NAME, or leave it out\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_choice_within_a_choice_is_refused_by_its_own_key(call: Call) -> None:
    assert call("schedule=warmup", "schedule.then=cosin").err.startswith("optrun: schedule.then=cosin is refused")


def test_an_argument_of_a_torch_optimizer_must_be_finite(call: Call) -> None:
    answer = call("optimizer=torch", "optimizer._target_=torch.optim.SGD", "+optimizer.momentum=nan")
    assert answer.err == (
        "optrun: optimizer.momentum=nan is refused\n"
        "  allowed: finite numbers\n"
        "  do this: give optimizer.momentum=... a finite number\n"
    )


FOREIGN = {
    "callbacks": "hydra: {callbacks: {x: {_target_: canary.Canary}}}",
    "a handler's factory": "hydra: {hydra_logging: {version: 1, handlers: {x: {'()': canary.Canary}}}}",
    "a handler's class": "hydra: {job_logging: {version: 1, handlers: {x: {class: canary.Canary}}}}",
    "a handler's argument": "hydra: {hydra_logging: {version: 1, handlers: {x: {stream: 'ext://canary.Canary'}}}}",
    "a launcher": "hydra: {launcher: {_target_: canary.Canary}}",
    "a sweeper": "hydra: {sweeper: {_target_: canary.Canary}}",
}


@pytest.mark.parametrize("way", [(), ("-m",), ("--cfg", "hydra")])
@pytest.mark.parametrize("name", FOREIGN)
def test_a_stranger_s_yaml_cannot_have_hydra_call_anything(
    name: str, way: tuple[str, ...], call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "canary.py").write_text("open('executed', 'w')\nclass Canary: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "conf" / "theirs").mkdir(parents=True)
    (tmp_path / "conf" / "theirs" / "nice.yaml").write_text(f"# @package _global_\n{FOREIGN[name]}\n")
    answer = call(*way, "--config-dir", "conf", "+theirs=nice", "epochs=1")
    assert answer.code == 2
    assert "canary.Canary is refused\n  allowed: what comes with Hydra" in answer.err
    assert not (tmp_path / "executed").exists()


def test_a_name_cannot_steer_the_terminal(call: Call, tmp_path: Path) -> None:
    rows = "\n".join(f"{n},{n % 2}" for n in range(20))
    (tmp_path / "data.csv").write_text(f"width\x1b[2J\x9b31m\u202e,kind\n{rows}\nx,1\n", encoding="utf-8")
    answer = call("dataset=csv", "dataset.path=data.csv")
    assert answer.code == 2
    assert r"column width\x1b[2J\x9b31m\u202e: 'x'" in answer.err
    assert answer.err.replace("\n", "").isprintable()


@pytest.mark.parametrize("text", ["seed: !!python/object/apply:os.getcwd []", "seed: ${eval:1+}", "seed: [1"])
def test_a_yaml_that_is_none_is_refused(text: str, call: Call, tmp_path: Path) -> None:
    (tmp_path / "conf" / "theirs").mkdir(parents=True)
    (tmp_path / "conf" / "theirs" / "nice.yaml").write_text(f"# @package _global_\n{text}\n")
    for way in ([], ["-m"]):
        answer = call(*way, "--config-dir", "conf", "+theirs=nice")
        assert (answer.code, answer.err.count("Traceback")) == (2, 0)


def test_the_runs_of_a_sweep_stay_in_its_folder(call: Call, tmp_path: Path) -> None:
    answer = call("-m", "seed=0,1", "epochs=1", "hydra.sweep.dir=sweep", "hydra.sweep.subdir='../x${seed}'")
    assert answer.err == (
        "optrun: hydra.sweep.subdir=../x0 is refused\n"
        "  allowed: a folder within that of the sweep\n"
        "  do this: leave it out; hydra.sweep.dir=... says where the sweep is\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == []


FLAG = "a flag of optrun or Hydra, or key=value"
HELP = "`optrun --help` shows what there is, `optrun --hydra-help` Hydra's flags"
FLAGS = {
    ("--foo",): ("--foo", FLAG, HELP),
    ("epochs=1", "-x"): ("-x", FLAG, HELP),
    ("-m", "lr=1,2", "--foo=3"): ("--foo=3", FLAG, HELP),
    ("--config-dir",): ("--config-dir/-cd", "expected one argument", "`optrun --hydra-help` shows Hydra's flags"),
    ("lr=1", "--cfg", "jab", "epochs=1"): (
        "--cfg/-c",
        "invalid choice: 'jab' (choose from 'job', 'hydra', 'all')",
        "`optrun --hydra-help` shows Hydra's flags",
    ),
}


@pytest.mark.parametrize("arguments", FLAGS, ids=" ".join)
def test_a_flag_that_there_is_not_is_refused_like_a_key(arguments: tuple[str, ...], call: Call, tmp_path: Path) -> None:
    given, allowed, do = FLAGS[arguments]
    answer = call(*arguments)
    assert answer.err == f"optrun: {given} is refused\n  allowed: {allowed}\n  do this: {do}\n"
    assert (answer.code, answer.out) == (2, "")
    assert not (tmp_path / "outputs").exists()


def test_flags_may_stand_anywhere_among_the_keys(call: Call) -> None:
    first = call("--cfg", "job", "--package", "optimizer", "lr=0.5", "optimizer=sgd")
    assert call("lr=0.5", "--cfg", "job", "optimizer=sgd", "--package", "optimizer") == first
    assert (first.code, "_target_" in first.out) == (0, True)
    assert call("dataset=iris", "epochs=1", "lr=0.1,0.2", "-m", "seed=1", "hydra.sweep.dir=sweep").code == 0
    assert (Path("sweep") / "1" / "metrics.csv").exists()
