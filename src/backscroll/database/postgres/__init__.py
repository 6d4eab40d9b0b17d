"""PostgreSQL through psycopg: engine, connections, pool, parameters, and Citus."""
