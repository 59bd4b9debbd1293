"""One reversible feature a file: a context manager that changes modules, yields, and undoes itself without trace."""
