"""Questions asked of the store: what changed, since when, is it on target. Answers are values; nothing prints."""
