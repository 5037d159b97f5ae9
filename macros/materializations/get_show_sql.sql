{#-
    What `dbt show` runs: a model's query. One that returns changes would show the pending ones alone, which are mostly
    none, so it shows the table that they are merged into, if there is one.
-#}
{% macro get_show_sql(compiled_code, sql_header, limit) -%}
    {%- set is_kept_up = model is defined and model.get('config', {}).get('meta', {}).get('returns') == 'changes' -%}
    {%- if is_kept_up and load_cached_relation(this) is not none -%}
        {%- set compiled_code = 'select * from ' ~ this -%}
    {%- endif -%}
    {{ sql_header if sql_header is not none }}
    {{ get_limit_subquery_sql(compiled_code, limit) }}
{%- endmacro %}
