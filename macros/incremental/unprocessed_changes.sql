{#-
    A query of a table's change feed, from the version after the last one that the model has processed to the newest.
    The macro asks for both versions when the model runs, because Delta takes only literals. The processed version is a
    property of the model's table that is set after the merge: if a run is killed in between, the next one reads the
    same changes, and merging them again has no effect.

    model_relation    the table of the model that processes the changes
    relation          the table whose change feed is read
-#}
{% macro unprocessed_changes(model_relation, relation) %}
    {%- set processed = processed_version(model_relation) -%}
    {%- set newest = newest_version(relation) -%}
    {%- if newest > processed %}
    select * from table_changes('{{ relation.schema }}.{{ relation.identifier }}', {{ processed + 1 }}, {{ newest }})
    {%- else %}
    select *, '' as _change_type, 0 as _commit_version, cast(null as timestamp) as _commit_timestamp
    from {{ relation }}
    where false
    {%- endif %}
{% endmacro %}


{#- Sets the processed version to the newest one; a post-hook of the model. -#}
{% macro record_processed_version(model_relation, relation) %}
    {%- set newest = newest_version(relation) -%}
    {%- if newest > processed_version(model_relation) -%}
    alter table {{ model_relation }} set tblproperties ('crypto.seen_version' = '{{ newest }}')
    {%- endif -%}
{% endmacro %}


{#- The last version of the change feed that the model has processed; 0, the empty table, before its first run. -#}
{% macro processed_version(model_relation) %}
    {%- if execute and load_cached_relation(model_relation) is not none -%}
        {#- The property keeps its first name: tables that exist carry it. -#}
        {%- for row in run_query("show tblproperties " ~ model_relation).rows if row[0] == 'crypto.seen_version' -%}
            {{ return(row[1] | int) }}
        {%- endfor -%}
    {%- endif -%}
    {{ return(0) }}
{% endmacro %}


{#- The newest version of a Delta table. -#}
{% macro newest_version(relation) %}
    {%- if execute -%}
        {{ return(run_query("describe history " ~ relation ~ " limit 1").rows[0][0] | int) }}
    {%- endif -%}
    {{ return(0) }}
{% endmacro %}
