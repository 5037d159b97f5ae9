{#-
    Keeps a table equal, by its key, to what the model's query says, and writes only the rows that differ:
    a run that changes nothing commits nothing. The table is created from the model's contract, so a query
    may read {{ this }} from its first run on and is the same text in every run.

    unique_key          the columns of the merge key
    returns             'all' (default): the query is the whole table, rows it lacks are deleted
                        'changes': the query returns new and changed rows, and tombstones (is_deleted)
    lineage_columns     columns whose change alone is no difference
    A full refresh asks a 'changes' model for everything (see earlier()) and then deletes the rest too.
-#}
{% materialization keyed_table, default %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing_relation = load_cached_relation(this) -%}
    {%- set everything = config.get('returns', 'all') == 'all' or should_full_refresh() -%}

    {{ run_hooks(pre_hooks) }}
    {%- set is_new = prepare_keyed_table(target_relation, existing_relation, everything) -%}
    {{ get_assert_columns_equivalent(sql) if config.get('returns', 'all') == 'all' }}
    {% call statement('main') %}
        {{ insert_keyed_rows(target_relation, sql) if is_new else merge_keyed_rows(target_relation, sql, everything) }}
    {% endcall %}
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
            {%- do found.append(column.name ~ ' ' ~ column.dtype | lower) -%}
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
    {{ return(true) }}
{% endmacro %}


{% macro create_keyed_table(relation) %}
    create or replace table {{ relation }} (
        {%- for column in model.columns.values() %}
        {{ column.name }} {{ column.data_type }}
        {{- ' not null' if column.constraints | selectattr('type', 'equalto', 'not_null') | list }}
        comment {{ sql_text(column.description) }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    )
    {{ file_format_clause() }}
    {{ tblproperties_clause() }}
    {{ location_clause() }}
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


{% macro merge_keyed_rows(target_relation, sql, everything) %}
    {%- set keys = config.require('unique_key') -%}
    {%- set lineage = config.get('lineage_columns', []) -%}
    {%- set tombstones = config.get('returns', 'all') == 'changes' -%}
    {%- set others = model.columns | reject('in', keys) | list %}
    merge into {{ target_relation }} as target
    using (
        {{ sql }}
    ) as source
    on {% for key in keys %}target.{{ key }} = source.{{ key }}{{ ' and ' if not loop.last }}{% endfor %}
    {%- if tombstones %}
    when matched and source.is_deleted then delete
    {%- endif %}
    when matched and (
        {%- for column in others | reject('in', lineage) %}
        target.{{ column }} is distinct from source.{{ column }}{{ ' or' if not loop.last }}
        {%- endfor %}
    ) then update set
        {%- for column in others %}
        {{ column }} = source.{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    when not matched{{ ' and not source.is_deleted' if tombstones }} then insert
        ({{ model.columns | join(', ') }})
        values ({% for column in model.columns %}source.{{ column }}{{ ', ' if not loop.last }}{% endfor %})
    {%- if everything %}
    when not matched by source then delete
    {%- endif %}
{% endmacro %}
