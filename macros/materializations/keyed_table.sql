{#-
    Keeps a table equal, by its key, to what the model's query says, and writes only the rows that differ:
    a run that changes nothing commits nothing. The table is created from the model's contract.

    unique_key          the columns of the merge key, never null
    returns             'all' (default): the query is the whole table, rows it lacks are deleted
                        'changes': the query returns new and changed rows, and tombstones (is_deleted)
    lineage_columns     columns whose change alone is no difference
    liquid_clustered_by of a large table: its changes are written aside first, and the merge reads only the files
                        in which their keys can lie; without any change, there is no merge
    A full refresh asks a 'changes' model for everything (see taken_in()) and replaces all rows; a table that keeps
    a change feed is compared instead, so that the feed tells real changes only.
-#}
{% materialization keyed_table, default %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing_relation = load_cached_relation(this) -%}
    {%- set everything = config.get('returns', 'all') == 'all' or should_full_refresh() -%}

    {{ run_hooks(pre_hooks) }}
    {{ get_assert_columns_equivalent(sql) if config.get('returns', 'all') == 'all' }}
    {%- set is_new = prepare_keyed_table(target_relation, existing_relation, everything) -%}
    {%- set staged_relation = none -%}
    {%- if config.get('liquid_clustered_by') and not is_new and not everything -%}
        {%- set staged_relation = stage_keyed_rows(target_relation, sql) -%}
    {%- endif -%}
    {%- set keeps_changes = config.get('tblproperties', {}).get('delta.enableChangeDataFeed') == 'true' -%}
    {% call statement('main') %}
        {%- if is_new -%}
            {{ insert_keyed_rows(target_relation, sql) }}
        {%- elif staged_relation is not none -%}
            {{ merge_staged_rows(target_relation, staged_relation) }}
        {%- elif not everything -%}
            {{ merge_keyed_rows(target_relation, sql) }}
        {%- elif config.get('returns', 'all') == 'all' or keeps_changes -%}
            {{ merge_keyed_rows(target_relation, keyed_rows_to_change(target_relation, sql)) }}
        {%- else -%}
            {{ overwrite_keyed_rows(target_relation, sql) }}
        {%- endif -%}
    {% endcall %}
    {%- if staged_relation is not none -%}
        {%- do adapter.drop_relation(staged_relation) -%}
    {%- endif -%}
    {{ update_comments(target_relation) if not is_new }}
    {%- do apply_grants(target_relation, config.get('grants'), should_revoke(existing_relation, false)) -%}
    {{ run_hooks(post_hooks) }}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}


{#- Creates the table, or replaces one whose columns are no longer the contract's; true if it is now empty. -#}
{% macro prepare_keyed_table(target_relation, existing_relation, everything) %}
    {%- if existing_relation is not none and existing_relation.is_view -%}
        {%- do adapter.drop_relation(existing_relation) -%}
        {%- set existing_relation = none -%}
    {%- endif -%}
    {%- if existing_relation is not none -%}
        {%- set found = [] -%}
        {%- for column in adapter.get_columns_in_relation(existing_relation) -%}
            {%- do found.append(column.name ~ ' ' ~ column.dtype | replace(' ', '') | lower) -%}
        {%- endfor -%}
        {%- set wanted = [] -%}
        {%- for column in model.columns.values() -%}
            {%- do wanted.append(column.name ~ ' ' ~ column.data_type | replace(' ', '') | lower) -%}
        {%- endfor -%}
        {%- if found == wanted -%}
            {{ return(false) }}
        {%- elif not everything -%}
            {%- do exceptions.raise_compiler_error(
                "The columns of " ~ existing_relation ~ " are not those of its contract any more; run "
                ~ "`dbt build --full-refresh --select " ~ model.name ~ "+`."
            ) -%}
        {%- endif -%}
    {%- endif -%}
    {% call statement('create') %}
        {{ create_keyed_table(target_relation) }}
    {% endcall %}
    {%- do tag_table(target_relation) -%}
    {{ return(true) }}
{% endmacro %}


{% macro create_keyed_table(relation) %}
    create or replace table {{ relation }} (
        {%- for column in model.columns.values() %}
        {{ column.name }} {{ column.data_type }}
        {{- ' not null' if column.name in config.require('unique_key') }}
        comment {{ sql_text(column.description) }}
        {{- ',' if not loop.last }}
        {%- endfor %}
        {{ table_keys(relation) }}
    )
    {{ table_layout(relation) }}
    comment {{ sql_text(model.description) }}
{% endmacro %}


{% macro insert_keyed_rows(target_relation, sql) %}
    {%- set columns = model.columns | join(', ') %}
    insert into {{ target_relation }} ({{ columns }})
    select {{ columns }}
    from (
        {{ sql }}
    ) as changes
    {%- if config.get('returns', 'all') == 'changes' %}
    where not is_deleted
    {%- endif %}
{% endmacro %}


{#- A full refresh of what costs too much to compare: all rows anew, in one commit. -#}
{% macro overwrite_keyed_rows(target_relation, sql) %}
    {%- set columns = model.columns | join(', ') %}
    insert overwrite {{ target_relation }} ({{ columns }})
    select {{ columns }}
    from (
        {{ sql }}
    ) as changes
    where not is_deleted
{% endmacro %}


{% macro merge_keyed_rows(target_relation, changes, bounds=[]) %}
    {%- set conditions = [] -%}
    {%- for key in config.require('unique_key') -%}
        {%- do conditions.append('target.' ~ key ~ ' = source.' ~ key) -%}
    {%- endfor %}
    merge into {{ target_relation }} as target
    using (
        {{ changes }}
    ) as source
    on {{ (conditions + bounds) | join(' and ') }}
    when matched and source.is_deleted then delete
    when matched and {{ keyed_rows_differ('target', 'source') }} then update set
        {%- for column in model.columns %}
        {{ column }} = source.{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    when not matched and not source.is_deleted then insert
        ({{ model.columns | join(', ') }})
        values ({% for column in model.columns %}source.{{ column }}{{ ', ' if not loop.last }}{% endfor %})
{% endmacro %}


{#-
    What has to change in the table for it to be what the query returns. A merge writes every file anew that
    holds a matched row, changed or not; given the difference alone, it leaves the others as they are.
-#}
{% macro keyed_rows_to_change(target_relation, sql) %}
    {%- set keys = config.require('unique_key') -%}
    {%- set first_key = keys | first %}
        with wanted as (
            select {{ model.columns | join(', ') }}
            from (
                {{ sql }}
            ) as everything
            {%- if config.get('returns', 'all') == 'changes' %}
            where not is_deleted
            {%- endif %}
        )

        select
            {%- for column in model.columns %}
            {{ 'coalesce(wanted.' ~ column ~ ', held.' ~ column ~ ') as ' ~ column if column in keys else 'wanted.' ~ column }},
            {%- endfor %}
            wanted.{{ first_key }} is null as is_deleted
        from wanted
        full outer join {{ target_relation }} as held
            on {% for key in keys %}wanted.{{ key }} = held.{{ key }}{{ ' and ' if not loop.last }}{% endfor %}
        where wanted.{{ first_key }} is null or held.{{ first_key }} is null
            or {{ keyed_rows_differ('held', 'wanted') }}
{% endmacro %}


{% macro keyed_rows_differ(one, other) -%}
    {%- set ignored = config.require('unique_key') + config.get('lineage_columns', []) -%}
    (
        {%- for column in model.columns | reject('in', ignored) %}
        {{ one }}.{{ column }} is distinct from {{ other }}.{{ column }}{{ ' or' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}
