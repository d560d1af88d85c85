"""Power of systems and boards, from published measurements and data sheets."""
