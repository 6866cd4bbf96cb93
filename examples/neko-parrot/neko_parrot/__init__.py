"""What a parrot adds to neko."""
