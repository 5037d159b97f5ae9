{#-
    On Databricks a layer's tables lie in the bucket of the layer, where the environment names it: bronze in
    RAW_BUCKET, silver and snapshots in PROCESSED_BUCKET, gold and sync in ANALYTICS_BUCKET. A schema that exists,
    made by the bundle for example, stays where it is.
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


{#- The bucket of a layer; empty if the environment names none. -#}
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
