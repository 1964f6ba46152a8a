//! One link to Redis or Valkey that never hangs a request.
