"""Model hardware and drivers: exporters and importers to build designs of."""
