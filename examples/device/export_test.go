package device

// Fold makes the device treat its disk as one that takes "A" and "a" for the same name.
func (d *Device) Fold() { d.fold = true }
