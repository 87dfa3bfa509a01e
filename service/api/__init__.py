"""HTTP and only HTTP: routers, dependencies, schemas, problem documents, middleware."""
