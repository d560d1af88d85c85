"""What was not measured, estimated: layers of estimators, each with intervals tested on the question asked."""
