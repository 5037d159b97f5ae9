"""What Spark's functions return, and which of them aggregate."""

from __future__ import annotations

from dbt.adapters.localspark.guard import spark_types as types
from dbt.adapters.localspark.guard.spark_types import Integer, Type

DEVIATIONS = {
    "stddev": "sample", "std": "sample", "stddev_samp": "sample", "stddev_pop": "population",
    "variance": "sample", "var_samp": "sample", "var_pop": "population",
}  # fmt: skip
MEANS = {"avg", "mean"}
AGGREGATES = {
    *MEANS, *DEVIATIONS, "sum", "count", "min", "max", "any_value", "first", "last", "first_value", "last_value",
    "collect_list", "collect_set", "array_agg", "count_if", "bool_and", "bool_or", "every", "some", "any", "min_by",
    "max_by", "percentile", "percentile_approx", "approx_percentile", "median", "mode", "approx_count_distinct",
    "try_sum", "try_avg", "corr", "covar_pop", "covar_samp", "kurtosis", "skewness", "bit_and", "bit_or", "bit_xor",
    "listagg", "string_agg", "percentile_cont", "percentile_disc", "histogram_numeric", "regr_slope", "regr_r2",
    "regr_intercept", "regr_count", "regr_avgx", "regr_avgy", "regr_sxx", "regr_sxy", "regr_syy", "grouping",
    "grouping_id", "hll_sketch_agg",
}  # fmt: skip
NOT_SLIDING = {"corr", "covar_pop", "covar_samp", "kurtosis", "skewness", "regr_slope", "regr_intercept", "regr_r2"}
SMALL = {
    "row_number", "rank", "dense_rank", "ntile", "length", "char_length", "character_length", "len", "size",
    "cardinality", "year", "month", "day", "dayofmonth", "dayofweek", "dayofyear", "weekday", "weekofyear", "quarter",
    "hour", "minute", "second", "instr", "locate", "position", "datediff", "date_diff", "unix_date", "ascii", "sign",
    "array_size", "levenshtein", "find_in_set", "grouping", "json_array_length", "bit_length", "octet_length",
}  # fmt: skip
RETURNS: dict[str, Type] = {
    **dict.fromkeys(SMALL, Integer("int", types.SMALLER)),
    **dict.fromkeys(("count", "count_if", "regr_count", "approx_count_distinct"), Integer("bigint", types.SMALL)),
    **dict.fromkeys(("unix_timestamp", "unix_seconds", "to_unix_timestamp"), Integer("bigint", types.SMALL)),
    **dict.fromkeys(("unix_millis", "unix_micros", "xxhash64", "array_position", "factorial"), "bigint"),
    **dict.fromkeys(
        (
            "date", "to_date", "date_add", "date_sub", "add_months", "last_day", "next_day", "trunc", "make_date",
            "date_from_unix_date", "current_date", "curdate", "try_to_date",
        ),
        "date",
    ),
    **dict.fromkeys(
        (
            "timestamp", "to_timestamp", "date_trunc", "timestamp_seconds", "timestamp_millis", "timestamp_micros",
            "from_utc_timestamp", "to_utc_timestamp", "current_timestamp", "now", "make_timestamp", "try_to_timestamp",
        ),
        "timestamp",
    ),
    **dict.fromkeys(
        (
            "string", "concat_ws", "upper", "lower", "ucase", "lcase", "trim", "ltrim", "rtrim", "btrim", "substring",
            "substr", "left", "right", "replace", "translate", "regexp_replace", "regexp_extract", "date_format",
            "from_unixtime", "format_number", "format_string", "initcap", "lpad", "rpad", "repeat", "split_part",
            "substring_index", "get_json_object", "to_json", "hex", "md5", "sha1", "sha2", "dayname", "monthname",
            "array_join", "listagg", "string_agg", "typeof", "base64", "chr", "char", "space", "overlay", "quote",
        ),
        "string",
    ),
    **dict.fromkeys(
        (
            "double", "sqrt", "exp", "ln", "log", "log10", "log2", "log1p", "expm1", "pow", "power", "cbrt", "sin",
            "cos", "tan", "atan", "atan2", "pi", "e", "degrees", "radians", "rint", "months_between", "percent_rank",
            "cume_dist", "corr", "covar_pop", "covar_samp", "kurtosis", "skewness", "median", "percentile_cont",
            "percentile_disc", "rand", "randn", "hypot", "sinh", "cosh", "tanh", "asin", "acos", "signum",
            "regr_slope", "regr_intercept", "regr_r2", *DEVIATIONS,
        ),
        "double",
    ),
    **dict.fromkeys(
        (
            "isnull", "isnotnull", "isnan", "like", "rlike", "regexp", "regexp_like", "startswith", "endswith",
            "contains", "array_contains", "arrays_overlap", "exists", "forall", "bool_and", "bool_or", "every", "some",
            "map_contains_key", "boolean",
        ),
        "boolean",
    ),
    **dict.fromkeys(("int", "regexp_count", "regexp_instr", "crc32", "hash"), "int"),
    "bigint": "bigint", "float": "float", "tinyint": "tinyint", "smallint": "smallint",
}  # fmt: skip
# The type of these is that of their first argument.
LIKE_FIRST = {
    "min", "max", "first", "last", "first_value", "last_value", "any_value", "nth_value", "lag", "lead", "nullif",
    "abs", "negative", "positive", "mode", "min_by", "max_by", "percentile_approx", "approx_percentile", "array_sort",
    "sort_array", "array_distinct", "reverse", "filter", "slice", "nanvl", "pmod",
}  # fmt: skip
MICROS = {"day": 86_400_000_000, "week": 604_800_000_000}
