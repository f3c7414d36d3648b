"""What one would write by hand instead of `optrun`: the rival of `process.py`. As short as it can be, and as fast."""

import csv

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
inputs, classes = load_digits(return_X_y=True)
x, x_rest, y, y_rest = train_test_split(inputs, classes, test_size=0.3, stratify=classes, random_state=0)
x_val, x_test, y_val, y_test = train_test_split(x_rest, y_rest, test_size=0.5, stratify=y_rest, random_state=0)
scaler = StandardScaler().fit(x)
x, x_val, x_test = (torch.tensor(scaler.transform(part), dtype=torch.float32) for part in (x, x_val, x_test))
y, y_val, y_test = (torch.tensor(part) for part in (y, y_val, y_test))

net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
rows = []
for epoch in range(1, 31):
    total, right = 0.0, 0
    for batch in torch.randperm(len(x)).split(100):
        optimizer.zero_grad()
        output = net(x[batch])
        loss = F.cross_entropy(output, y[batch])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(batch)
        right += (output.argmax(1) == y[batch]).sum().item()
    with torch.no_grad():
        output = net(x_val)
        val_loss = F.cross_entropy(output, y_val).item()
        val_accuracy = (output.argmax(1) == y_val).float().mean().item()
    rows.append((epoch, total / len(x), val_loss, right / len(x), val_accuracy))
    print(*rows[-1])
with torch.no_grad():
    print("test accuracy", (net(x_test).argmax(1) == y_test).float().mean().item())

with open("metrics.csv", "w", newline="") as file:
    csv.writer(file).writerows([("epoch", "train_loss", "val_loss", "train_accuracy", "val_accuracy"), *rows])
epochs, train_loss, val_losses, *_ = zip(*rows, strict=True)
plt.plot(epochs, train_loss, label="train")
plt.plot(epochs, val_losses, label="validation")
plt.xlabel("epoch")
plt.ylabel("loss")
plt.yscale("log")
plt.legend()
plt.savefig("curves.png")
