{#-
    Checks staged changes by the model's own generic tests before they are merged, all in one statement: rows that break
    one never reach the table, and a run pays for what came, not for history. A test gets the changed rows in the place
    of the table, and two tests get what they need beside them:

    unique_combination    the table's rows with the same values, unless the columns are the merge key
    holds_all_of          all candles of the days that changed, as they will be, and the finer rows of these days

    target_relation    the table that the changes are merged into
    staged_relation    a table of the changes: the table's columns and is_deleted
-#}
{% macro audit_changes(target_relation, staged_relation) %}
    {%- set audits = {} -%}
    {%- for test in graph.nodes.values()
        if test.resource_type == 'test' and test.attached_node == model.unique_id and test.test_metadata -%}
        {%- set query = audit_query(test, target_relation, staged_relation) -%}
        {%- do audits.update({test.name: query}) if query -%}
    {%- endfor -%}
    {%- set counts = [] -%}
    {%- for name, query in audits.items() -%}
        {%- do counts.append("select " ~ sql_literal(name) ~ " as test, count(*) as failures from (" ~ query ~ ")") -%}
    {%- endfor -%}
    {%- for row in run_query(counts | join(' union all ')).rows if row['failures'] > 0 -%}
        {%- set example = run_query("select * from (" ~ audits[row['test']] ~ ") limit 1") -%}
        {%- do exceptions.raise_compiler_error(
            "The changes break the test " ~ row['test'] ~ " " ~ row['failures'] ~ " times, such as "
            ~ dict(zip(example.column_names, example.rows[0].values())) ~ "; nothing was merged, and "
            ~ staged_relation ~ " has the changes until the next run."
        ) -%}
    {%- endfor -%}
{% endmacro %}


{#- The query of a generic test of this model on the changes. -#}
{% macro audit_query(test, target_relation, staged_relation) -%}
    {%- set name, arguments = test.test_metadata.name, {} -%}
    {%- for argument, value in test.test_metadata.kwargs.items() if argument != 'model' -%}
        {%- do arguments.update({argument: relation_named(value) if value is string else value}) -%}
        {#- A table that is not built yet, such as a seed that a selection leaves out, can't be compared with. #}
        {%- if arguments[argument] is none %}{{ return(none) }}{% endif -%}
    {%- endfor -%}
    {%- set changes = "select * from " ~ staged_relation ~ " where not is_deleted" -%}
    {%- set columns = model.columns | join(', ') -%}
    {%- set kept = "select " ~ columns ~ " from " ~ target_relation ~ " as target left anti join " ~ staged_relation
        ~ " as source on " ~ keys_match('target', 'source') -%}
    {%- set rows = "select " ~ columns ~ " from (" ~ changes ~ ")" -%}
    {%- if name == 'unique_combination' and arguments.columns != config.require('unique_key') -%}
        {%- set values = arguments.columns | join(', ') -%}
        {%- set rows = rows ~ " union all select " ~ columns ~ " from (" ~ kept ~ ") as kept left semi join (" ~ changes
            ~ ") as changes using (" ~ values ~ ")" -%}
    {%- elif name == 'holds_all_of' -%}
        {%- set days = in_changed_days('window_start', staged_relation) -%}
        {%- set rows = "select * from (" ~ rows ~ " union all " ~ kept ~ ") where " ~ days -%}
        {#- The condition is the column and literals: the days need not be asked for again. #}
        {%- set finer_days = days | replace('window_start', 'traded_at') if arguments.of_trades else days -%}
        {%- do arguments.update({'finer': "(select * from " ~ arguments.finer ~ " where " ~ finer_days ~ ")"}) -%}
    {%- endif -%}
    {%- set condition = test.config.where or 'true' -%}
    {{ return(context['test_' ~ name](model="(select * from (" ~ rows ~ ") where " ~ condition ~ ")", **arguments)) }}
{%- endmacro %}


{#- The relation that a test's argument names, such as ref('trades'), or none before it is built; any other text. -#}
{% macro relation_named(value) %}
    {%- set found = modules.re.match("ref\\('(\\w+)'\\)$", value) -%}
    {%- for node in graph.nodes.values() if found and node.name == found[1] and node.resource_type != 'test' -%}
        {{ return(load_cached_relation(
            api.Relation.create(database=node.database, schema=node.schema, identifier=node.alias)
        )) }}
    {%- endfor -%}
    {{ return(value) }}
{% endmacro %}
