# Runs after the examples of docs/pytorch.md, in the same namespace: draws inputs that no model saw, and writes them
# (NAME.inputs, float32) with what PyTorch says of each (NAME.json); then what a gateway has to refuse.
def told(name, raw):
    pathlib.Path(f"{name}.inputs").write_bytes(np.ascontiguousarray(raw, dtype="<f4").tobytes())
    said = SHIPPED[name](raw)
    pathlib.Path(f"{name}.json").write_text(json.dumps(said.tolist()))


def beyond(x):
    """The second half of the inputs is what the training did not show."""
    x = x.copy()
    x[len(x) // 2 :] *= np.linspace(1, 5, x[0].size, dtype=np.float32).reshape(x[0].shape)
    return x


told("torch-autoencoder", beyond(features(512)))
told("torch-waveform-cnn", beyond(blocks(256)))
told("torch-mel-autoencoder", beyond(clips(64)))
told("torch-lstm", beyond(sequences(256)))


def variant(name, change, **options):
    """The autoencoder of features once more, exported in a way that a gateway does not take."""
    source, folder = pathlib.Path("torch-autoencoder", "1"), pathlib.Path("refused", name)
    folder.mkdir(parents=True)
    # Weights of a kilobyte and more: the exporter keeps smaller ones inside.
    net = change(nn.Sequential(nn.Linear(6, 64), nn.Tanh(), nn.Linear(64, 6)).eval())
    weight = next(net.parameters())
    torch.onnx.export(net, (torch.zeros(8, 6, dtype=weight.dtype),), str(folder / "model.onnx"),
                      input_names=["x"], output_names=["y"], dynamo=DYNAMO, **options)
    data = (folder / "model.onnx").read_bytes()
    manifest = json.loads((source / "manifest.json").read_text())
    manifest["name"] = name
    manifest["file"].update(sizeBytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    (folder / "manifest.json").write_text(json.dumps(manifest))


inside = {"external_data": False} if DYNAMO else {}
variant("float64", lambda net: net.double(), **inside)
variant("eight-rows", lambda net: net, **inside)
if DYNAMO:
    variant("external", lambda net: net)
import onnx

graph = onnx.load("torch-autoencoder/1/model.onnx", load_external_data=False)
print(json.dumps({"torch": torch.__version__, "opset": graph.opset_import[0].version, "ir": graph.ir_version}))
