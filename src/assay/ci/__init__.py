"""What a check said, in the forms that CI and people's channels read: texts, and sending them where asked."""
