{#-
    dbt appends this to every compiled Python model: it has no other way to tell a model the invocation. A value in the
    model's config would be that of the invocation that last parsed it.
-#}
{% macro py_script_comment() %}
invocation_id = "{{ invocation_id }}"
{% endmacro %}
