"""From a panel file to blocks of days on the device."""
