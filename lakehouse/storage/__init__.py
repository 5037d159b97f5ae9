"""Where data lies: the layers of the lake, in the data home or in S3 buckets, read without an engine."""
