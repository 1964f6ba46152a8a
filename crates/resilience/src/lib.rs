//! Policies for outgoing calls: deadlines, retry with a budget, circuit breaker and bulkhead.
