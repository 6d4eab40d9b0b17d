"""PostgreSQL by psycopg: engine, connections, pool, parameters, and Citus."""
