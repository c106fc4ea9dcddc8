"""`omniwatch capacity`: how many such sensors, with such policies, the judge of this box holds."""
