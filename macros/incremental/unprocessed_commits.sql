{#-
    The commits of a table that a model has not processed yet, oldest first, as a list of version and committed_at.
    Commits that change no value, such as OPTIMIZE, are left out. Before the model's first run there is nothing to
    process.

    Delta takes versions as literals only, so they are asked for when the model runs. The last version processed is a
    property of the model's table that is set after the merge: if a run is killed in between, the next one processes the
    same commits, and merging their rows again has no effect.

    model_relation    the table of the model that processes the commits
    relation          the table whose versions are compared
-#}
{% macro unprocessed_commits(model_relation, relation) %}
    {%- set commits = [] -%}
    {%- if execute and load_cached_relation(model_relation) is not none -%}
        {%- set processed = processed_version(model_relation) -%}
        {%- for row in run_query('describe history ' ~ relation).rows | sort(attribute='version') -%}
            {%- if row['version'] | int > processed and row['operation'] in ('MERGE', 'WRITE', 'DELETE', 'UPDATE') -%}
                {%- set committed_at = row['timestamp'].strftime('%Y-%m-%d %H:%M:%S.%f') -%}
                {%- do commits.append({'version': row['version'] | int, 'committed_at': committed_at}) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(commits) }}
{% endmacro %}


{#- Sets the processed version to the newest one; a post-hook of the model. -#}
{% macro record_processed_version(model_relation, relation) %}
    {%- if execute -%}
        {%- set newest = run_query('describe history ' ~ relation ~ ' limit 1').rows[0]['version'] | int -%}
        {%- if newest != processed_version(model_relation) -%}
    alter table {{ model_relation }} set tblproperties ('crypto.seen_version' = '{{ newest }}')
        {%- endif -%}
    {%- endif -%}
{% endmacro %}


{#- The last version that the model has processed; -1 if none. -#}
{% macro processed_version(model_relation) %}
    {#- The property keeps its first name: tables that exist carry it. -#}
    {%- for row in run_query('show tblproperties ' ~ model_relation).rows if row[0] == 'crypto.seen_version' -%}
        {{ return(row[1] | int) }}
    {%- endfor -%}
    {{ return(-1) }}
{% endmacro %}
