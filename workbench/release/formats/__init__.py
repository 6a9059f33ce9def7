"""The formats a release is written in: COCO, YOLO, and plain tables."""
