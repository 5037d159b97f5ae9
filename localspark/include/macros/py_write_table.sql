{#- How a Python model's DataFrame, of Spark or pandas, becomes a table: without column statistics, like all others. -#}
{% macro py_write_table(compiled_code, target_relation) %}
{{ compiled_code }}

dbt = dbtObj(spark.table)
df = model(dbt, spark)
df = df if hasattr(df, "sparkSession") else spark.createDataFrame(df)
writer = df.write.mode("overwrite").format("delta").option("overwriteSchema", "true")
writer.option("delta.dataSkippingNumIndexedCols", "0").saveAsTable("{{ target_relation }}")
{%- endmacro %}
