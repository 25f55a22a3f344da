"""Failures of a milling machine from process data: trains on the AI4I 2020 set (CC BY 4.0), measures by 5-fold
cross-validation, and writes the model as ONNX with its manifest where --out names the folder.

    python scripts/train-milling-failure.py FOLDER [--out models/milling-failure/1]

FOLDER holds ai4i2020.csv. Needs scikit-learn, skl2onnx, onnx and onnxruntime in the versions of scripts/test-requirements.txt
(scripts/test-servers.sh installs them): the same versions write the same bytes.

The inputs are the five measured quantities and the type of the workpiece. What follows from them by physics is made of them inside
the model: the mechanical power (torque times angular speed), the difference of the two temperatures, and the product of
torque and tool wear against what the type of workpiece allows. The columns of the kinds of failure are never inputs. The
threshold is 0.5: no label of a test fold has a say in it.
"""

import argparse
import csv
import hashlib
import json
import math
import pathlib

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

SEED = 0
VERSION = "1"
CLASSES = ["healthy", "failure"]
INPUTS = ["type", "airTemperatureK", "processTemperatureK", "speedRpm", "torqueNm", "toolWearMin"]
# Overstrain limits of the workpiece types L, M and H, min N m, as the data set's paper states them (Matzka 2020): 11,000, 12,000, 13,000.
STRAIN_LIMIT = np.float32(11000), np.float32(1000)
RAD_PER_S = np.float32(2 * math.pi / 60)


def inputs_of(row):
    return [
        "LMH".index(row["Type"]), float(row["Air temperature [K]"]), float(row["Process temperature [K]"]),
        float(row["Rotational speed [rpm]"]), float(row["Torque [Nm]"]), float(row["Tool wear [min]"]),
    ]


def derived(x):
    """Inputs and what follows from them, in float32 and in the order of `derivation`: both give the same bits."""
    kind, air, process, speed, torque, wear = x.T
    strain = wear * torque
    limit = kind * STRAIN_LIMIT[1] + STRAIN_LIMIT[0]
    return np.column_stack([x, process - air, torque * speed * RAD_PER_S, strain, strain / limit, strain - limit])


def derivation():
    """The same as an ONNX graph: `features` [rows, 6] in, `derived` [rows, 11] out."""
    from onnx import TensorProto, helper, numpy_helper

    node = helper.make_node
    columns = ["kind", "air", "process", "speed", "torque", "wear"]
    nodes = [
        node("Split", ["features"], columns, axis=1),
        node("Sub", ["process", "air"], ["difference"]),
        node("Mul", ["torque", "speed"], ["torqueSpeed"]),
        node("Mul", ["torqueSpeed", "radPerS"], ["power"]),
        node("Mul", ["wear", "torque"], ["strain"]),
        node("Mul", ["kind", "limitStep"], ["limitAbove"]),
        node("Add", ["limitAbove", "limitOfL"], ["limit"]),
        node("Div", ["strain", "limit"], ["ratio"]),
        node("Sub", ["strain", "limit"], ["margin"]),
        node("Concat", ["features", "difference", "power", "strain", "ratio", "margin"], ["derived"], axis=1),
    ]
    constants = {"radPerS": RAD_PER_S, "limitOfL": STRAIN_LIMIT[0], "limitStep": STRAIN_LIMIT[1]}
    graph = helper.make_graph(
        nodes, "derivation",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", len(columns)])],
        [helper.make_tensor_value_info("derived", TensorProto.FLOAT, ["rows", len(columns) + 5])],
        [numpy_helper.from_array(np.array([value]), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=opsets(helper), ir_version=8)


def opsets(helper):
    return [helper.make_opsetid("", 13), helper.make_opsetid("ai.onnx.ml", 1)]


def model():
    forest = RandomForestClassifier(200, max_features=None, random_state=SEED)
    boosting = GradientBoostingClassifier(
        n_estimators=300, max_depth=3, learning_rate=0.03, subsample=0.5, min_samples_leaf=5, random_state=SEED
    )
    return VotingClassifier([("forest", forest), ("boosting", boosting)], voting="soft", flatten_transform=False)


def export(fitted, x, y, folder, found):
    import onnx
    import onnxruntime
    from onnx.compose import merge_models
    from skl2onnx import to_onnx

    classifier = to_onnx(fitted, derived(x[:1]), options={"zipmap": False}, target_opset={"": 13, "ai.onnx.ml": 1})
    classifier.ir_version = 8
    taken, given = classifier.graph.input[0].name, classifier.graph.output[1].name
    # Of two classes the second alone: onnxruntime 1.27, which gateways run, gives a wrong first column for such a forest (1.31 does not).
    classifier.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1]), "second"))
    classifier.graph.node.append(onnx.helper.make_node("Gather", [given, "second"], [CLASSES[1]], axis=1))
    classifier.graph.output.append(onnx.helper.make_tensor_value_info(CLASSES[1], onnx.TensorProto.FLOAT, ["rows", 1]))
    graph = merge_models(derivation(), classifier, io_map=[("derived", taken)], outputs=[CLASSES[1]])
    graph.producer_name, graph.producer_version = "train-milling-failure.py", VERSION
    onnx.checker.check_model(graph)
    folder.mkdir(parents=True, exist_ok=True)
    data = graph.SerializeToString(deterministic=True)
    (folder / "model.onnx").write_bytes(data)

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    there = session.run(None, {"features": x})[0]
    here = fitted.predict_proba(derived(x))[:, 1]
    golden = [int(i) for i in np.concatenate([np.flatnonzero(y == 0)[::1000], np.flatnonzero(y == 1)[::30]])]
    manifest = {
        "format": "sm-edge-model/1",
        "name": "milling-failure",
        "version": VERSION,
        "title": "Failure of a milling machine from its process data",
        "task": "classification",
        "signal": {"quantities": ["process-data"]},
        "inputs": {"kind": "features", "tensor": "features", "features": INPUTS},
        "scaler": {"kind": "in-graph"},
        "output": {
            "kind": "classes", "tensor": CLASSES[1], "labels": CLASSES, "healthy": CLASSES[:1],
            "meaning": "probability of a machine failure",
        },
        "threshold": {"value": 0.5, "method": "the more probable class; not fitted"},
        "training": {
            "data": f"AI4I 2020 predictive maintenance set, {len(y)} rows, {int(y.sum())} failures (Matzka 2020). "
            f"5-fold cross-validation: F1 {found['f1']}, ROC AUC {found['rocAuc']}, accuracy {found['accuracy']}",
            "terms": "CC BY 4.0",
            "samples": len(y),
            "script": "scripts/train-milling-failure.py",
            "histograms": {name: histogram(x[:, i]) for i, name in enumerate(INPUTS)},
        },
        "golden": {
            "tolerance": 1e-5,
            "vectors": [{"input": x[i].tolist(), "output": [float(1 - there[i, 0]), float(there[i, 0])]} for i in golden],
        },
        "file": {"name": "model.onnx", "sizeBytes": len(data), "sha256": hashlib.sha256(data).hexdigest()},
        "licence": "Apache-2.0",
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    # A split at a float64 threshold may fall on the other side in float32: of those rows there are next to none.
    return {"bytes": len(data), "largestDifference": float(np.abs(there[:, 0] - here).max())}


def histogram(column):
    edges = np.unique(np.quantile(column, np.arange(1, 10) / 10))
    counts = np.bincount(np.searchsorted(edges, column, side="right"), minlength=len(edges) + 1)
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, help="folder for model.onnx and manifest.json")
    parser.add_argument("--folds", type=int, default=SEED, help="seed by which the folds are drawn")
    args = parser.parse_args()
    with open(args.folder / "ai4i2020.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    x = np.array([inputs_of(row) for row in rows], dtype=np.float32)
    y = np.array([int(row["Machine failure"]) for row in rows])
    folds = StratifiedKFold(5, shuffle=True, random_state=args.folds)
    p = cross_val_predict(model(), derived(x), y, cv=folds, method="predict_proba")[:, 1]
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
        answer["onnx"] = export(model().fit(derived(x), y), x, y, args.out, answer)
    print(json.dumps(answer, indent=2))


if __name__ == "__main__":
    main()
