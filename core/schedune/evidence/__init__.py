"""What bytes prove about boot images: pure readers of headers, no files opened."""
