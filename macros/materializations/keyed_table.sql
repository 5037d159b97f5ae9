{#-
    Keeps a table equal to its model's query, row by row of a key, and writes only rows that differ: a run that changes
    nothing makes no commit. The table is created from the model's contract.

    unique_key              the columns of the key, never null
    liquid_clustered_by     marks a large table, which a full refresh replaces instead of comparing it
    meta.returns            'all' (default): the query returns the whole table, and rows that it lacks are deleted
                            'changes': the query returns new and changed rows, and tombstones (is_deleted)
    meta.lineage_columns    columns that are not compared: a row is not written for a change in them alone

    A full refresh of a model that returns changes asks it for all rows (see high_water_mark).
-#}
{% materialization keyed_table, default %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing_relation = load_cached_relation(this) -%}

    {{ run_hooks(pre_hooks) }}
    {{ get_assert_columns_equivalent(sql) if config.meta_get('returns', 'all') == 'all' }}
    {%- set strategy = keyed_table_strategy(existing_relation) -%}
    {%- if strategy == 'create_and_insert' -%}
        {{ create_and_insert(target_relation, existing_relation, sql) }}
    {%- elif strategy == 'merge_changes' -%}
        {{ merge_changes(target_relation, sql) }}
    {%- elif strategy == 'merge_difference' -%}
        {{ merge_difference(target_relation, sql) }}
    {%- elif strategy == 'replace_all' -%}
        {{ replace_all(target_relation, sql) }}
    {%- endif -%}
    {{ update_comments(target_relation) if strategy != 'create_and_insert' }}
    {%- do apply_grants(target_relation, config.get('grants'), should_revoke(existing_relation, false)) -%}
    {{ run_hooks(post_hooks) }}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}


{#- The name of the strategy for this run, which is also that of a macro, in a file of strategies/. -#}
{% macro keyed_table_strategy(existing_relation) %}
    {%- set returns = config.meta_get('returns', 'all') -%}
    {%- set is_incremental_run = returns == 'changes' and not should_full_refresh() -%}
    {%- if existing_relation is none or existing_relation.is_view -%}
        {{ return('create_and_insert') }}
    {%- elif not has_contract_columns(existing_relation) -%}
        {%- if is_incremental_run -%}
            {%- do exceptions.raise_compiler_error(
                "The columns of " ~ existing_relation ~ " are not those of its contract any more; run "
                ~ "`dbt build --full-refresh --select " ~ model.name ~ "+`."
            ) -%}
        {%- endif -%}
        {{ return('create_and_insert') }}
    {%- elif is_incremental_run -%}
        {{ return('merge_changes') }}
    {%- elif returns == 'all' or not config.get('liquid_clustered_by') -%}
        {#- Compared even in a full refresh, so that candle_revisions finds only real changes between two versions. #}
        {{ return('merge_difference') }}
    {%- endif -%}
    {{ return('replace_all') }}
{% endmacro %}


{#- Whether a table has the columns of the model's contract: the same names and types in the same order. -#}
{% macro has_contract_columns(relation) %}
    {%- set found, contracted = [], [] -%}
    {%- for column in adapter.get_columns_in_relation(relation) -%}
        {%- do found.append(column.name ~ ' ' ~ column.dtype | replace(' ', '') | lower) -%}
    {%- endfor -%}
    {%- for column in model.columns.values() -%}
        {%- do contracted.append(column.name ~ ' ' ~ column.data_type | replace(' ', '') | lower) -%}
    {%- endfor -%}
    {{ return(found == contracted) }}
{% endmacro %}
