"""The query for the costs on Databricks, on the local engine."""

from support.project import PROJECT


def test_the_query_for_databricks_shares_each_hour_by_work(spark, schema):
    """Databricks' system tables can't be had here: the same query reads tables of the same columns."""
    spark.sql(f"""
        create table {schema}.history using delta as
        select
            named_struct('warehouse_id', warehouse) as compute,
            cast(current_date() - interval 1 day as timestamp) + make_interval(0, 0, 0, 0, 3, minute) as start_time,
            map('project', project, '@@dbt_model_name', node) as query_tags,
            cast(work as bigint) as execution_duration_ms
        from values
            ('w1', 5, 'crypto', 'candles_1m', 3000), ('w1', 59, 'crypto', 'candles_1m', 1000),
            ('w1', 7, 'crypto', null, 2000), ('w1', 8, 'other', 'x', 4000), (null, 9, 'crypto', 'on_a_cluster', 5)
            as given (warehouse, minute, project, node, work)
    """)
    spark.sql(f"""
        create table {schema}.usage using delta as
        select
            named_struct('warehouse_id', 'w1') as usage_metadata, current_date() - interval 1 day as usage_date,
            cast(current_date() - interval 1 day as timestamp) + make_interval(0, 0, 0, 0, hour, 0) as usage_start_time,
            'SQL' as sku_name, 'DBU' as usage_unit, cast(4 as decimal(38, 18)) as usage_quantity
        from values (3), (4) as given (hour)
    """)
    spark.sql(f"""
        create table {schema}.list_prices using delta as
        select
            'SQL' as sku_name, 'DBU' as usage_unit, 'USD' as currency_code, since as price_start_time,
            until as price_end_time,
            named_struct('effective_list', named_struct('default', cast(dollars as decimal(38, 18)))) as pricing
        from values
            (timestamp'2020-01-01', timestamp'2021-01-01', 9), (timestamp'2021-01-01', null, 0.5)
            as given (since, until, dollars)
    """)
    query = (PROJECT / "resources" / "databricks_costs.sql").read_text()
    for system in ("query.history", "billing.usage", "billing.list_prices"):
        query = query.replace(f"from system.{system}", f"from {schema}.{system.split('.')[1]}")
    assert "from system." not in query
    rows = [tuple(row)[1:] for row in spark.sql(query).collect()]
    found = [(name, count, float(time), float(dbus), float(cost)) for name, count, time, dbus, cost in rows]
    assert found == [("candles_1m", 2, 4.0, 1.6, 0.8), ("(no node)", 1, 2.0, 0.8, 0.4)]
