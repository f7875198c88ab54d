"""The first minutes on a GPU: does everything train, how fast, and what does it cost? See `benchmarks/first_gpu.sh`."""
