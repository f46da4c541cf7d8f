"""A published campaign as one page that people read: figures, reasons, pictures, provenance."""
