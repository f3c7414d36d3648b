from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from runner.recorder.base import About, Log, Writer


@final
@dataclass(frozen=True)
class MLflow(Writer):
    """A run of MLflow's, in the SQLite file outputs/mlflow.db.

        a metric for each column, at step = epoch; a parameter for each setting

    MLFLOW_TRACKING_URI names another place, as everywhere with MLflow. No file does: what is read from a run folder
    shall not say where to write. A resumed run finds its run of MLflow's by a tag and adds what is missing. To look:
    mlflow ui --backend-store-uri sqlite:///outputs/mlflow.db. MLflow writes inf as the largest number that there is.

    experiment: the experiment of MLflow's that the runs belong to

    Source: MLflow's client, mlflow.MlflowClient
    """

    packages: ClassVar[Mapping[str, str]] = {
        "mlflow": "which keeps the runs",
        "sqlalchemy": "by which MLflow reaches its file",
        "alembic": "by which MLflow makes its file",
    }
    extra: ClassVar[str] = "mlflow"

    experiment: str = "optrun"

    def begin(self, about: About) -> Log:
        from runner.recorder.log.tracked import Tracked

        return Tracked(about, self.experiment)
