"""Failures of a milling machine from process data: trains on the AI4I 2020 set (CC BY 4.0), measures by 5-fold
cross-validation, and writes the model as ONNX where --out names a file.

    python scripts/train-milling-failure.py FOLDER [--out milling-failure.onnx]

FOLDER holds ai4i2020.csv. Needs scikit-learn, skl2onnx and onnxruntime (scripts/test-servers.sh installs them).

The inputs are the five measured quantities and the type of the workpiece, and what follows from them by physics: the
mechanical power (torque times angular speed), the difference of the two temperatures, and the product of torque and tool wear over what
the type of workpiece allows. The columns of the kinds of failure are never inputs. The threshold is 0.5: no label of
a test fold has a say in it.
"""

import argparse
import csv
import json
import math
import pathlib

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

SEED = 0
# Overstrain limits of the workpiece types L, M and H, min N m, as the data set's paper states them (Matzka 2020).
STRAIN_LIMIT = {"L": 11000.0, "M": 12000.0, "H": 13000.0}
INPUTS = [
    "type", "airTemperatureK", "processTemperatureK", "speedRpm", "torqueNm", "toolWearMin",
    "temperatureDifferenceK", "powerW", "strain", "strainOverLimit", "strainMargin",
]


def inputs_of(row):
    air, process = float(row["Air temperature [K]"]), float(row["Process temperature [K]"])
    speed, torque = float(row["Rotational speed [rpm]"]), float(row["Torque [Nm]"])
    wear, limit = float(row["Tool wear [min]"]), STRAIN_LIMIT[row["Type"]]
    power = torque * speed * 2 * math.pi / 60
    strain = wear * torque
    return [
        "LMH".index(row["Type"]), air, process, speed, torque, wear,
        process - air, power, strain, strain / limit, strain - limit,
    ]


def model():
    forest = RandomForestClassifier(200, max_features=None, random_state=SEED)
    boosting = GradientBoostingClassifier(
        n_estimators=300, max_depth=3, learning_rate=0.03, subsample=0.5, min_samples_leaf=5, random_state=SEED
    )
    return VotingClassifier([("forest", forest), ("boosting", boosting)], voting="soft", flatten_transform=False)


def export(fitted, x, path):
    import onnxruntime
    from skl2onnx import to_onnx

    graph = to_onnx(fitted, x[:1], options={"zipmap": False}, target_opset={"": 13, "ai.onnx.ml": 1})
    path.write_bytes(graph.SerializeToString())
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    there = session.run(None, {session.get_inputs()[0].name: x})[1][:, 1]
    here = fitted.predict_proba(x)[:, 1]
    # A split at a float64 threshold may fall on the other side in float32: of those rows there are next to none.
    return {"bytes": path.stat().st_size, "largestDifference": float(np.abs(there - here).max())}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    with open(args.folder / "ai4i2020.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    x = np.array([inputs_of(row) for row in rows], dtype=np.float32)
    y = np.array([int(row["Machine failure"]) for row in rows])
    folds = StratifiedKFold(5, shuffle=True, random_state=SEED)
    p = cross_val_predict(model(), x, y, cv=folds, method="predict_proba")[:, 1]
    tn, fp, fn, tp = confusion_matrix(y, p > 0.5).ravel().tolist()
    answer = {
        "rows": len(y),
        "failures": int(y.sum()),
        "inputs": INPUTS,
        "f1": round(f1_score(y, p > 0.5), 4),
        "rocAuc": round(roc_auc_score(y, p), 4),
        "accuracy": round(accuracy_score(y, p > 0.5), 4),
        "accuracyOfAlwaysHealthy": round(1 - y.mean(), 4),
        "confusion": {"tp": tp, "fp": fp, "tn": tn, "fn": fn},
    }
    if args.out is not None:
        answer["onnx"] = export(model().fit(x, y), x, args.out)
    print(json.dumps(answer, indent=2))


if __name__ == "__main__":
    main()
