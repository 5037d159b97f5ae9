{#-
    The parts of a table's definition beside its columns: keys, format, location, order on disk and tags. They differ by
    target; no value that a query computes depends on them.

    unique_key             on Databricks also the informational primary key
    constraints            of a model's yml: informational foreign keys, on Databricks
    liquid_clustered_by    columns by which Databricks clusters a large table
    databricks_tags        tags in Unity Catalog
-#}
{% macro table_keys(relation) -%}
    {{ return(adapter.dispatch('table_keys')(relation)) }}
{%- endmacro %}

{% macro default__table_keys(relation) -%}{%- endmacro %}

{% macro databricks__table_keys(relation) -%}
    , constraint {{ relation.identifier }}_key primary key ({{ config.require('unique_key') | join(', ') }})
    {%- for key in model.constraints if key.type == 'foreign_key' %}
    , constraint {{ key.name }} foreign key ({{ key.columns | join(', ') }})
    references {{ key.to }} ({{ key.to_columns | join(', ') }})
    {%- endfor %}
{%- endmacro %}


{#-
    NOT NULL for a column of the key: a primary key of Databricks demands it. Elsewhere tests alone guard the keys,
    since Sail checks the constraint on rows that the query's own filter removes, and fails on them.
-#}
{% macro not_null_clause() -%}
    {{ return(adapter.dispatch('not_null_clause')()) }}
{%- endmacro %}

{% macro default__not_null_clause() -%}{%- endmacro %}

{% macro databricks__not_null_clause() %} not null{% endmacro %}


{% macro table_layout(relation) -%}
    {{ return(adapter.dispatch('table_layout')(relation)) }}
{%- endmacro %}

{% macro default__table_layout(relation) -%}
    {{ file_format_clause() }}
    {{ tblproperties_clause() }}
    {{ location_clause() }}
{%- endmacro %}

{% macro databricks__table_layout(relation) -%}
    {%- set catalog_relation = adapter.build_catalog_relation(config.model) -%}
    {{ file_format_clause(catalog_relation) }}
    {{ liquid_clustered_cols() }}
    {{ location_clause(catalog_relation) }}
    {{ tblproperties_clause() }}
{%- endmacro %}


{% macro tag_table(relation) -%}
    {{ return(adapter.dispatch('tag_table')(relation)) }}
{%- endmacro %}

{% macro default__tag_table(relation) -%}{%- endmacro %}

{% macro databricks__tag_table(relation) -%}
    {%- do apply_tags(relation, config.get('databricks_tags')) -%}
{%- endmacro %}
