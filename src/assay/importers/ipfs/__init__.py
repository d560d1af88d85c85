"""The results of ipfs_accelerate_py in every shape it wrote them, one module a shape: docs/importing-ipfs.md."""
