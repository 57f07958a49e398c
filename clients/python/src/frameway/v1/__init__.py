"""Generated from proto/frameway/v1 by scripts/gen-clients.sh. Do not edit."""
