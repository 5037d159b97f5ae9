{#-
    Stops a run with --empty or --sample, by which dbt replaces what models read: tables that dashboards read would be
    left empty, and incremental ones would take the rows for processed. `dbt compile --empty` writes nothing, so it may.
-#}
{% macro refuse_partial_rows(arguments) -%}
    {%- set writes = arguments.get('which') in ['build', 'run', 'seed', 'snapshot'] -%}
    {%- for option in ['empty', 'sample'] if writes and arguments.get(option) -%}
        {%- do exceptions.raise_compiler_error(
            'Nothing was built: with --' ~ option ~ ' the tables would lose rows that dashboards read; try a change in '
            ~ 'a data home of its own (`CRYPTO_HOME=.lakehouse-try crypto generate --trades 1000`).'
        ) -%}
    {%- endfor -%}
{%- endmacro %}
