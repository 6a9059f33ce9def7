"""What the Label Studio server's own interpreter runs; nothing here is imported by the workbench."""
