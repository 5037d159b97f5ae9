{#-
    Compacts every table of the lake: joins small files, and removes files that no version of the last seven days needs
    (Delta's delta.deletedFileRetentionDuration). Values stay the same. Delta itself deletes log entries after 30 days.
    Run with: dbt run-operation optimize_tables
-#}
{% macro optimize_tables() %}
    {%- set nodes = graph.nodes.values() | selectattr('resource_type', 'in', ['model', 'snapshot', 'seed']) | list -%}
    {%- for node in nodes + graph.sources.values() | list -%}
        {%- set relation = adapter.get_relation(node.database, node.schema, node.get('alias') or node.identifier) -%}
        {%- if relation is not none and not relation.is_view -%}
            {%- call statement('optimize') -%} optimize {{ relation }} {%- endcall -%}
            {%- call statement('vacuum') -%} vacuum {{ relation }} {%- endcall -%}
            {%- do log('Optimized ' ~ relation, info=true) -%}
        {%- endif -%}
    {%- endfor -%}
{% endmacro %}
