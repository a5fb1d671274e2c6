"""What masking does, against matched random sets: plan, readings, tests, tables, pictures."""
