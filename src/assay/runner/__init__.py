"""From a suite to stored results: plan, schedule, worker, measure, collect."""
