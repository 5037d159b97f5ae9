# What AWS charges for what has the tag project = crypto, once that tag is activated for billing (docs/deploy.md).
locals {
  # Limit in USD a month, and the percentage of it at which an e-mail is sent: 12 USD and 100 USD.
  budgets = {
    usual   = { limit = "15", percentage = 80 }
    ceiling = { limit = "100", percentage = 100 }
  }
}

resource "aws_budgets_budget" "crypto" {
  for_each     = local.budgets
  name         = "crypto-${var.environment}-${each.key}"
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_amount = each.value.limit
  limit_unit   = "USD"

  cost_filter {
    name   = "TagKeyValue"
    values = ["user:project$crypto"]
  }

  notification {
    comparison_operator        = "GREATER_THAN"
    notification_type          = "ACTUAL"
    threshold                  = each.value.percentage
    threshold_type             = "PERCENTAGE"
    subscriber_email_addresses = [var.alert_email]
  }
}
