"""Plugins of FiftyOne's app that ship with the workbench; FIFTYONE_PLUGINS_DIR names this folder."""
