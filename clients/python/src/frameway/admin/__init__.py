"""Generated from proto/frameway/admin by scripts/gen-clients.sh. Do not edit."""
