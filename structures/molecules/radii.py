"""Contact radii: how near two atoms that are not bonded may come in a built model."""

# In nm. Van der Waals radii: Bondi, J. Phys. Chem. 1964, 68, 441; H: Rowland and Taylor, J. Phys.
# Chem. 1996, 100, 7384. Cs+ and Pb2+ touch as ions: Shannon, Acta Cryst. 1976, A32, 751 (12- and
# 6-coordinate).
CONTACT_RADII = {
    "H": 0.110,
    "C": 0.170,
    "N": 0.155,
    "O": 0.152,
    "F": 0.147,
    "Si": 0.210,
    "P": 0.180,
    "S": 0.180,
    "Cl": 0.175,
    "Br": 0.185,
    "I": 0.198,
    "Pb": 0.119,
    "Cs": 0.188,
}
CONTACT_SCALE = 0.80  # no contact may be shorter than this fraction of the sum of the radii
