{#-
    On Databricks, creates the schema of a layer in the layer's bucket, if the environment names one: bronze in
    RAW_BUCKET, silver and snapshots in PROCESSED_BUCKET, gold and sync in ANALYTICS_BUCKET. A schema that exists
    already, for example from the bundle, stays where it is.
-#}
{% macro databricks__create_schema(relation) -%}
    {%- set layer = relation.schema | replace(var('schema_prefix'), '', 1) -%}
    {%- set bucket = layer_bucket(layer) -%}
    {%- call statement('create_schema') -%}
        create schema if not exists {{ relation.without_identifier() }}
        {%- if bucket %}
        managed location 's3://{{ bucket }}/tables/{{ relation.schema }}'
        {%- endif %}
    {%- endcall -%}
{% endmacro %}


{#- The name of a layer's bucket; empty if the environment does not name one. -#}
{% macro layer_bucket(layer) -%}
    {%- set names = {
        'bronze': 'RAW_BUCKET',
        'silver': 'PROCESSED_BUCKET',
        'snapshots': 'PROCESSED_BUCKET',
        'gold': 'ANALYTICS_BUCKET',
        'sync': 'ANALYTICS_BUCKET',
    } -%}
    {{ return(env_var(names[layer], '') if layer in names else '') }}
{%- endmacro %}
