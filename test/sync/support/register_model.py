"""Registers a folder as a new version of a model, as a data scientist would, and points an alias to it.

usage: register_model.py TRACKING_URI NAME FOLDER ALIAS [runs|logged-model]
Prints the version.
"""

import sys

import mlflow

uri, name, folder, alias, *rest = sys.argv[1:]
mlflow.set_tracking_uri(uri)
mlflow.set_experiment("training")
client = mlflow.MlflowClient()
model_id = None
with mlflow.start_run() as run:
    if rest == ["logged-model"]:
        # MLflow 3 keeps a model beside the runs, under an id of its own.
        model = client.create_logged_model(experiment_id=run.info.experiment_id, name="model")
        client.log_model_artifacts(model.model_id, folder)
        client.finalize_logged_model(model.model_id, "READY")
        model_id = model.model_id
        source = f"models:/{model_id}"
    else:
        mlflow.log_artifacts(folder, "model")
        source = f"runs:/{run.info.run_id}/model"
try:
    client.create_registered_model(name)
except mlflow.exceptions.MlflowException as error:
    if error.error_code != "RESOURCE_ALREADY_EXISTS":
        raise
version = client.create_model_version(name, source, run.info.run_id, model_id=model_id)
client.set_registered_model_alias(name, alias, version.version)
print(version.version)
