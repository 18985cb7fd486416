"""Hide any file in the colours of a photo and get it back byte for byte."""
